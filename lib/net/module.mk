SRCS := http_client.c http_server.c group.c http_conn.c http_request.c ws.c
USES := lib/base lib/codec lib/crypto lib/net
PKGS := libcurl libssl libcrypto
LIBS := -lhttp_parser -lwslay
