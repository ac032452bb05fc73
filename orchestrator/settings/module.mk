SRCS := settings.c
USES := lib/base lib/codec lib/eth orchestrator/settings
PKGS := jansson
