SRCS := identity.c journal.c remote.c
USES := lib/base lib/codec lib/crypto lib/eth lib/azure node/identity
PKGS := jansson
