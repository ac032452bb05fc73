SRCS := ask.c ask_spec.c deployment.c gather.c judge.c log_line.c spec_diff.c
USES := lib/base lib/codec lib/net lib/azure orchestrator/diagnose orchestrator/genesis orchestrator/govern orchestrator/settings orchestrator/target orchestrator/workspace
PKGS := jansson
DATA := causes.def
