SRCS := http_client.c
USES := lib/base lib/codec lib/crypto lib/net
PKGS := libcurl libwebsockets
