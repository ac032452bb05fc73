SRCS := arm.c blob.c identity_doc.c keyvault.c rest.c token.c token_cli.c xml.c
USES := lib/base lib/codec lib/crypto lib/net lib/azure
PKGS := jansson
