SRCS := member.c governance.c nodes.c
USES := lib/base lib/codec lib/eth lib/net node/member
PKGS := jansson zlib
