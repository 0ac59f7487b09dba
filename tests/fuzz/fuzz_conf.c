/* SPDX-License-Identifier: ISC */
/* allod.conf: what is read and written again reads the same. */
#include "provisioner/conf.h"
#include "provisioner/estate.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct prov_estate e;
	struct conf_reader r, again;
	struct conf_line l, back;
	struct arena a;

	arena_init(&a, 1 << 20);
	conf_begin(&r, &a, str_n(p, n));
	while (conf_next(&l, &r) == 0) {
		struct str key = arena_dup(&a, l.key);
		struct buf b;

		buf_init(&b, &a);
		buf_addz(&b, "[x]\n");
		if (!key.p || b.err < 0)
			break;
		conf_write(&b, key.p, l.value);
		if (b.err < 0)
			break;
		conf_begin(&again, &a, buf_str(&b));
		os_assert(conf_next(&back, &again) == 0);
		os_assert(str_eq(back.key, l.key) && str_eq(back.value, l.value));
	}
	arena_reset(&a);
	if (prov_estate_parse(&e, &a, str_n(p, n), "allod.conf", "/home") == 0) {
		os_assert(e.domain.n && e.owner.n && e.service_count <= PROV_SERVICES_MAX);
		for (size_t i = 0; i < e.service_count; i++)
			os_assert(
				e.services[i].disk && e.services[i].listen_count <= PROV_PORTS_MAX);
	}
	arena_free(&a);
	return 0;
}
