SRCS := archive.c backup.c pack.c unpack.c
USES := lib/base lib/codec lib/crypto lib/eth node/chain node/store orchestrator/backup orchestrator/identity orchestrator/report orchestrator/settings orchestrator/target orchestrator/workspace
PKGS := jansson
