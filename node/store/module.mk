SRCS := kv.c kv_fault.c kv_lmdb.c kv_memory.c tables.c
USES := lib/base node/store
LIBS := -llmdb
