PROGRAM := poa-arm-run
MAIN := arm_run.c
SRCS :=
USES := lib/base lib/codec orchestrator/arm
PKGS := jansson
