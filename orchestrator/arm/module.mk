SRCS := check.c check_template.c check_ui.c cidr.c date.c eval.c expr.c fn_list.c fn_resource.c fn_string.c fn_value.c inline.c plan.c scope.c
USES := lib/base lib/codec lib/crypto orchestrator/arm
PKGS := jansson
DATA := fn.def rules.def
