SRCS := abi.c hex.c json.c rlp.c yaml.c
USES := lib/base lib/codec
PKGS := jansson yaml-0.1
