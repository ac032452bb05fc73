PROGRAM := poa-deploy
MAIN := main.c
SRCS := changes.c cli.c cmd_account.c cmd_admin.c cmd_azure.c cmd_backup.c cmd_chain.c cmd_control.c cmd_deploy.c cmd_doctor.c cmd_logs.c cmd_outputs.c cmd_recover.c cmd_rotate.c cmd_run.c cmd_spec.c cmd_status.c cmd_template.c cmd_upgrade.c cmd_validator.c doctor_azure.c help.c live.c network.c session.c session_act.c status_remote.c template.c wizard.c
USES := lib/base lib/codec lib/crypto lib/eth lib/azure node/chain node/store orchestrator/arm orchestrator/cmd orchestrator/diagnose orchestrator/genesis orchestrator/govern orchestrator/identity orchestrator/report orchestrator/settings orchestrator/target orchestrator/workspace orchestrator/backup
PKGS := jansson zlib
