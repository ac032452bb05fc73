SRCS := member.c
USES := lib/base lib/codec lib/net node/member
PKGS := jansson
