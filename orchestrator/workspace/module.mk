SRCS := workspace.c
USES := lib/base lib/codec orchestrator/workspace
PKGS := jansson libgit2
