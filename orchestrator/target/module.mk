SRCS := azure.c azure_deploy.c azure_list.c azure_login.c azure_machines.c azure_network.c azure_package.c azure_preflight.c balancer.c cloud_init.c keeper.c local.c local_monitor.c local_move.c local_upgrade.c ports.c program_archive.c ssh.c ssh_conn.c ssh_hosts.c ssh_keep.c ssh_live.c ssh_package.c ssh_place.c ssh_verb.c target.c
USES := lib/base lib/codec lib/crypto orchestrator/identity orchestrator/report orchestrator/settings orchestrator/target lib/azure
PKGS := jansson libssh2 zlib
