SRCS := abi.c base64.c hex.c json.c json_section.c rlp.c uri.c yaml.c
USES := lib/base lib/codec
PKGS := jansson yaml-0.1
