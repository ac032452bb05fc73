SRCS := admin.c audit.c auth.c blobs.c blobs_list.c blocks.c call.c clients.c conditions.c config.c containers.c issuers.c kek_vault.c keys.c keys_policy.c leases.c policy.c queue.c records.c \
  routes.c secrets.c secrets_backup.c secrets_list.c server.c storage_key.c store.c text.c token_endpoint.c wipe.c
USES := lib/azure lib/base lib/codec lib/crypto lib/metrics lib/net node/store identity-store
PKGS := jansson libcrypto
PROGRAM := poa-identity-store
MAIN := main.c
DATA := errors.def routes.def
