/* SPDX-License-Identifier: ISC */
/* An image's manifest: whatever is found lies inside the file. */
#include "provisioner/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool inside(struct str s, const uint8_t *p, size_t n)
{
	return s.n == 0 || (s.p >= (const char *)p && s.p + s.n <= (const char *)p + n);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct prov_manifest m;
	struct str text;

	if (prov_note_find(&text, str_n(p, n)) == 0)
		os_assert(inside(text, p, n));
	else
		text = str_n(p, n); /* the parser gets something to read as well */
	if (prov_manifest_parse(&m, text) == 0) {
		os_assert(inside(m.name, p, n) && inside(m.version, p, n));
		os_assert(m.port_count <= PROV_MANIFEST_PORTS_MAX);
		for (size_t i = 0; i < m.port_count; i++)
			os_assert(m.ports[i].number > 0 && inside(m.ports[i].name, p, n));
	}
	return 0;
}
