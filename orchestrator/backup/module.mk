SRCS := archive.c backup.c pack.c unpack.c
USES := lib/base lib/codec lib/crypto node/chain node/store orchestrator/backup orchestrator/target orchestrator/workspace
PKGS := jansson
