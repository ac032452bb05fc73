PROGRAM := poa-http-floor
MAIN := main.c
SRCS :=
USES := lib/base
