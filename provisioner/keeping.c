/* SPDX-License-Identifier: ISC */
#include "provisioner/keeping.h"

#include "store/keep.h"

#define HEADS STR("refs/heads/")

static int ask(json_t *out, struct prov_client *c, struct arena *a, struct str user)
{
	json_int_t days, least;
	json_t *j = NULL;
	struct buf b;
	int err;

	buf_init(&b, a);
	buf_addz(&b, "/v1/keeping?user=");
	prov_encode(&b, user);
	err = b.err < 0 ? b.err : prov_call(&j, c, "GET", b.p, NULL);
	if (err < 0)
		return err;
	if (json_unpack(j, "{s:I,s:I}", "keep_days", &days, "keep_days_min", &least) < 0)
		err = err_set(ERR_BAD, "the service's reply about history is not understood");
	else if (days &&
		json_object_setn_new(out, user.p, user.n, json_pack("[I,I]", days, least)) < 0)
		err = err_set(ERR_NOMEM, "out of memory");
	json_decref(j);
	return err;
}

int prov_keeping_ask(json_t **out, struct prov_client *c, struct arena *a, const json_t *refs)
{
	json_t *all = json_object();
	const json_t *one;
	size_t i;
	int err = all ? 0 : err_set(ERR_NOMEM, "out of memory");

	json_array_foreach(refs, i, one)
	{
		struct str ref = str_of(json_string_value(one));
		if (err == 0 && str_starts(ref, HEADS))
			err = ask(all, c, a, str_sub(ref, HEADS.n, ref.n));
	}
	if (err < 0)
		json_decref(all);
	else
		*out = all;
	return err;
}

int prov_keeping_set(struct store *s, const json_t *kept)
{
	const char *user;
	json_t *one;
	int err = 0;

	json_object_foreach((json_t *)(uintptr_t)kept, user, one)
	{
		json_int_t days, least;
		struct store_horizon h;
		char ref[256];
		int n = snprintf(ref, sizeof(ref), "refs/heads/%s", user);

		if (n >= (int)sizeof(ref) || json_unpack(one, "[I,I]", &days, &least) < 0 ||
			days < 0 || days > UINT32_MAX || least < 0 || least > days)
			return err_set(ERR_CORRUPT, "how much history to keep is not understood");
		h = (struct store_horizon){ (uint32_t)days, (uint32_t)least };
		err = store_horizon_set(s, str_n(ref, (size_t)n), &h);
		if (err < 0)
			break;
	}
	return err;
}
