SRCS := http_client.c http_server.c group.c http_conn.c http_request.c ws.c
USES := lib/base lib/codec lib/net
TEST_USES := lib/crypto
PKGS := libcurl libssl libcrypto
LIBS := -lhttp_parser -lwslay
