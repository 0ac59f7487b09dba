/* SPDX-License-Identifier: ISC */
#include "os/conf.h"
#include "os/platform.h"

/* The next `name`, `name=value` or `name="va lue"` of *rest; false when there is none. */
static bool arg_next(struct str *name, struct str *value, struct str *rest)
{
	size_t n = 0;

	*rest = str_trim(*rest);
	if (rest->n == 0)
		return false;
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '=')
		n++;
	*name = str_sub(*rest, 0, n);
	*value = STR("");
	*rest = str_sub(*rest, n, rest->n);
	if (!str_starts(*rest, STR("=")))
		return true;
	*rest = str_sub(*rest, 1, rest->n);
	if (str_starts(*rest, STR("\"")))
		str_cut(value, rest, str_sub(*rest, 1, rest->n), '"');
	else
		str_cut(value, rest, *rest, ' ');
	return true;
}

struct str os_arg(const char *name)
{
	struct str rest = str_of(plat_args()), key, value;

	while (arg_next(&key, &value, &rest))
		if (str_eq(key, str_of(name)))
			return value;
	return STR_NONE;
}

void os_conf_defaults(void *conf, const struct os_opt *opts)
{
	for (const struct os_opt *o = opts; o->type != OS_OPT_END; o++) {
		void *at = (char *)conf + o->offset;
		if (o->type == OS_OPT_TYPE_U64)
			*(uint64_t *)at = o->num;
		else if (o->type == OS_OPT_TYPE_BOOL)
			*(bool *)at = o->num != 0;
		else
			*(struct str *)at = str_of(o->text);
	}
}

static int parse_bool(bool *out, struct str s)
{
	static const char *const yes[] = { "", "true", "yes", "on", "1" };
	static const char *const no[] = { "false", "no", "off", "0" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (str_ieq(s, str_of(yes[i])))
			return *out = true, 0;
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (str_ieq(s, str_of(no[i])))
			return *out = false, 0;
	return ERR_BAD;
}

static int set(void *at, const struct os_opt *o, struct arena *a, struct str value)
{
	uint64_t num;

	switch (o->type) {
	case OS_OPT_TYPE_U64:
		if (str_u64(&num, value, o->max) < 0 || num < o->min)
			return err_set(ERR_BAD, "%s: \"%.*s\" is not a number from %llu to %llu",
				o->name, STR_ARG(value), (unsigned long long)o->min,
				(unsigned long long)o->max);
		*(uint64_t *)at = num;
		return 0;
	case OS_OPT_TYPE_BOOL:
		if (parse_bool(at, value) < 0)
			return err_set(ERR_BAD, "%s: \"%.*s\" is neither true nor false", o->name,
				STR_ARG(value));
		return 0;
	default:
		value = arena_dup(a, value);
		if (!value.p)
			return err_set(ERR_LIMIT, "%s: no room for its value", o->name);
		*(struct str *)at = value;
		return 0;
	}
}

int os_conf_set(
	void *conf, const struct os_opt *opts, struct arena *a, struct str name, struct str value)
{
	for (const struct os_opt *o = opts; o->type != OS_OPT_END; o++)
		if (str_eq(name, str_of(o->name)))
			return set((char *)conf + o->offset, o, a, value);
	return err_set(ERR_NOENT, "%.*s: no such option", STR_ARG(name));
}

int os_conf_args(void *conf, const struct os_opt *opts, struct arena *a, struct str args)
{
	struct str name, value;

	while (arg_next(&name, &value, &args)) {
		int err = os_conf_set(conf, opts, a, name, value);
		if (err < 0 && err != ERR_NOENT)
			return err;
	}
	return 0;
}
