/* SPDX-License-Identifier: ISC */
/*
 * The manifest an image carries (os/main.h), read out of its bytes. Pure.
 *
 *	struct prov_manifest m;
 *	err = prov_manifest_of_elf(&m, bytes);      finds the note, whose text is like
 *	"mail 0.1 nics=1 disks=1 memory_mb=48 ports=smtp:25,imap:143"
 */
#ifndef PROVISIONER_NOTE_H
#define PROVISIONER_NOTE_H

#include "os/base.h"

#define PROV_MANIFEST_PORTS_MAX 16

struct prov_manifest {
	struct str name, version;
	uint64_t nics, disks, memory_mb;
	struct {
		struct str name;
		uint16_t number;
	} ports[PROV_MANIFEST_PORTS_MAX];
	size_t port_count;
};

/* The text of the note (owner "Allod", type 1) of a 64-bit little-endian ELF file; ERR_NOENT,
 * ERR_BAD. Borrowed from `elf`. */
MUST_CHECK int prov_note_find(struct str *out, struct str elf);
MUST_CHECK int prov_manifest_parse(struct prov_manifest *out, struct str text);
MUST_CHECK int prov_manifest_of_elf(struct prov_manifest *out, struct str elf);

#endif
