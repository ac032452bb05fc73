SRCS := report.c
USES := lib/base orchestrator/report
PKGS := jansson
