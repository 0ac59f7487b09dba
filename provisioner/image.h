/* SPDX-License-Identifier: ISC */
/*
 * Images of services: where they are found, what they ask for, and the copy that runs.
 * A service runs from a copy kept under its hash, so that a new build changes nothing until
 * the next start.
 */
#ifndef PROVISIONER_IMAGE_H
#define PROVISIONER_IMAGE_H

#include "provisioner/estate.h"
#include "provisioner/note.h"

struct prov_image {
	const char *path; /* the copy in images/ */
	const char *hash; /* 64 hex digits of its SHA-256 */
	struct prov_manifest manifest;
};
/*
 * $ALLOD_IMAGES when set; else beside this program (where `make` puts them) and in
 * ../libexec/allod. ERR_NOENT names where it looked.
 */
MUST_CHECK int prov_image_find(
	const char **out, struct prov *p, struct str service, enum prov_target target);
/* Finds, checks the manifest against what the estate states, copies. Strings in p->arena. */
MUST_CHECK int prov_image_take(
	struct prov_image *out, struct prov *p, const struct prov_service *s);
/* What the manifest asks for and what the estate gives agree: 0 or ERR_UNSUPPORTED. Pure. */
MUST_CHECK int prov_image_check(const struct prov_manifest *m, const struct prov_service *s);

#endif
