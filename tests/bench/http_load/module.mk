PROGRAM := poa-http-load
MAIN := main.c
SRCS := load.c
USES := lib/base tests/bench/http_load
PKGS := jansson openssl
