PROGRAM := poa-http-load
MAIN := main.c
SRCS := load.c
USES := lib/base lib/codec tests/bench/http_load
PKGS := jansson openssl
