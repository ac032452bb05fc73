SRCS := mail.c report.c
USES := lib/base orchestrator/report
PKGS := jansson libcurl
