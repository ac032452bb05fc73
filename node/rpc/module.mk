SRCS := json_out.c rpc_json.c rpc.c lane.c table.c rpc_discover.c request.c ipc.c token.c params.c block_cache.c rpc_eth.c rpc_eth_config.c rpc_eth_blocks.c rpc_eth_tx.c rpc_eth_call.c rpc_overrides.c rpc_eth_simulate.c rpc_eth_logs.c rpc_eth_filter.c \
  rpc_eth_subscribe.c rpc_net.c rpc_debug.c rpc_debug_trace.c rpc_trace.c tracers.c tracer_touched.c tracer_steps.c tracer_calls.c tracer_flat.c tracer_state.c tracer_vm.c \
  rpc_txpool.c rpc_parity.c rpc_parity_sign.c rpc_parity_watch.c rpc_parity_set.c rpc_admin.c rpc_aura.c
USES := lib/base lib/codec lib/crypto lib/eth lib/net node/chain node/state node/evm node/sync node/rpc
PKGS := jansson zlib
DATA := methods.def kinds.def refused.def
