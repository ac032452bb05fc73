/* workspace.h: the folder of one deployment. What is written here is enough to go on after a stop at any instant:
 *
 *     consortium.yaml  the resolved settings            spec.json       the chain specification
 *     state.json       which steps are done             contracts.json  sources and ABI that /networkinfo serves
 *     deployment.json  the resolved resources           outputs.json    what `outputs` prints
 *     admin/           keystore of an account made here (0700)
 *     local/           what runs on this machine: store, instances, logs (0700)
 *
 * The upper six, and known_hosts of the ssh target, are kept in a git repository of the workspace: a commit a step and one for every
 * command that changed something; admin/ and local/ never are. */
#ifndef ORCHESTRATOR_WORKSPACE_WORKSPACE_H
#define ORCHESTRATOR_WORKSPACE_WORKSPACE_H

#include <jansson.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct workspace {
    char dir[3000]; /* absolute */
    json_t *state;  /* object: "version", "kind": "new"|"join", "steps": {name: true}, "finished": bool, and facts of steps */
    int lock_fd;
};

enum { WORKSPACE_FILE_MAX = 16 << 20 };

/** workspace_open: create: make the folder and an empty state if there is none.
 *  ret OK | E_NOT_FOUND: no workspace there | E_BUSY: another poa-deploy works on it | E_CORRUPT, E_IO, ... */
MUST_CHECK enum status workspace_open(struct workspace *out, const char *dir, bool create, struct err *err);
void workspace_close(struct workspace *w);
/** workspace_remove: delete what poa-deploy made in it, and the folder if nothing else is there. *left: how many files and folders of somebody else's
 *  stay; a git repository that stood there before the workspace is one. */
MUST_CHECK enum status workspace_remove(size_t *left, struct workspace *w, struct err *err);
/** workspace_path: absolute path of a file in it */
void workspace_path(char dst[static 4096], const struct workspace *w, const char *name);
MUST_CHECK enum status workspace_write(struct workspace *w, const char *name, bytes data, unsigned mode, struct err *err);
MUST_CHECK enum status workspace_write_json(struct workspace *w, const char *name, const json_t *doc, struct err *err);
MUST_CHECK enum status workspace_read(struct buf *out, const struct workspace *w, const char *name, struct err *err);
MUST_CHECK enum status workspace_read_json(json_t **out, const struct workspace *w, const char *name, struct err *err);

bool workspace_is_done(const struct workspace *w, const char *step);
/** workspace_mark: note a step as done, durably, and commit the tracked files under the message. */
MUST_CHECK enum status workspace_mark(struct workspace *w, const char *step, struct err *err);
bool workspace_is_finished(const struct workspace *w);
MUST_CHECK enum status workspace_finish(struct workspace *w, struct err *err);
/** workspace_fact, workspace_set_fact: strings that later commands need ("dataUrl"); NULL if absent */
const char *workspace_fact(const struct workspace *w, const char *key);
MUST_CHECK enum status workspace_set_fact(struct workspace *w, const char *key, const char *value, struct err *err);
/** workspace_record, workspace_set_record: the same for an object (stolen; NULL removes it). The view lives until it is set again. */
const json_t *workspace_record(const struct workspace *w, const char *key);
MUST_CHECK enum status workspace_set_record(struct workspace *w, const char *key, json_t *value_take, struct err *err);
/** workspace_commit: note in the git record what a command did and why: a commit of the tracked files, also when none has changed. dir: of a workspace
 *  that nobody holds open. No workspace there: nothing happens. */
MUST_CHECK enum status workspace_commit(const char *dir, const char *message, struct err *err);
/** workspace_push: branch main of the record to a remote: a URL (ssh://, git@host:path, https://), a folder, or the name of a remote of the repository.
 *  Over SSH: ssh-agent, then ~/.ssh/id_ed25519 and id_ecdsa; the host's key must stand in ~/.ssh/known_hosts.
 *  ret OK | E_NOT_FOUND: there is no record | E_DENIED, E_NET, E_CONFLICT: refused, not reached, the remote has other commits */
MUST_CHECK enum status workspace_push(const char *dir, const char *remote, struct err *err);
/** workspace_object: the object of that name in state.json, made if there is none; changed freely, made durable by workspace_save. NULL: no memory */
json_t *workspace_object(struct workspace *w, const char *key);
MUST_CHECK enum status workspace_save(struct workspace *w, struct err *err);

#endif
