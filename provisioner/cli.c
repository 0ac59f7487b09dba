/* SPDX-License-Identifier: ISC */
#include "provisioner/home.h"
#include "provisioner/say.h"

#include <signal.h>
#include <unistd.h>

#define ARENA_BYTES (64u * 1024 * 1024)
#define VERSION     "0.1"

static int print(void (*fill)(struct buf *, const struct prov_verb *), const struct prov_verb *v)
{
	struct buf b;
	int code;

	buf_init(&b, NULL);
	fill(&b, v);
	code = b.err < 0 ? PROV_FAILED : prov_print(buf_str(&b));
	buf_free(&b);
	return code;
}

static void all_help(struct buf *b, const struct prov_verb *v)
{
	(void)v;
	prov_help(b);
}

/* Options before the verb. The number of words taken; < 0: the exit code is -1 - it. */
static int leading(const char **home, int argc, char **argv)
{
	int i = 0;

	for (; i < argc && argv[i][0] == '-'; i++) {
		struct str name, value;
		bool joined = str_cut(&name, &value, str_of(argv[i]), '=');

		if (str_eq(name, STR("--home")) && joined) {
			*home = value.p;
		} else if (str_eq(name, STR("--home")) && i + 1 < argc) {
			*home = argv[++i];
		} else if (str_eq(name, STR("--help")) || str_eq(name, STR("-h"))) {
			return -1 - print(all_help, NULL);
		} else if (str_eq(name, STR("--version"))) {
			return -1 - prov_print(STR("allod " VERSION "\n"));
		} else {
			return -1 -
				prov_usage("`allod --help` lists the options",
					"there is no option %s before a verb, or it needs a "
					"value",
					argv[i]);
		}
	}
	return i;
}

static int no_verb(const char *word, bool group)
{
	if (group)
		return prov_usage("`allod --help` lists the verbs",
			"`%s` needs a second word that fits", word);
	return prov_usage("`allod --help` lists the verbs", "there is no verb \"%s\"", word);
}

static const char *self_path(struct arena *a)
{
	char *room = arena_alloc(a, 4096);
	ssize_t n = room ? readlink("/proc/self/exe", room, 4095) : -1;

	if (n < 0)
		return "allod";
	room[n] = '\0';
	return room;
}

static int run(const struct prov_verb *v, const char *home, int argc, char **argv)
{
	struct prov p = { 0 };
	struct prov_args args;
	int code, err = prov_args_parse(&args, v, argc, argv);

	if (err == ERR_CLOSED)
		return print(prov_verb_help, v);
	if (err < 0) {
		code = prov_usage(NULL, "%s", err_text(err));
		prov_hint("`allod %s --help` says how it is used", v->name);
		return code;
	}
	arena_init(&p.arena, ARENA_BYTES);
	err = prov_home(&p.home, &p.arena, home);
	p.self = self_path(&p.arena);
	code = err < 0 ? prov_fail(NULL, "%s", err_text(err)) : v->run(&p, &args);
	arena_free(&p.arena);
	return code;
}

int prov_main(int argc, char **argv)
{
	const struct prov_verb *v;
	const char *home = NULL;
	bool group;
	int at, used;

	signal(SIGPIPE, SIG_IGN);
	at = leading(&home, argc - 1, argv + 1);
	if (at < 0)
		return -1 - at;
	at++;
	if (at >= argc || strcmp(argv[at], "help") == 0) {
		if (at + 1 < argc &&
			(v = prov_verb_find(&used, &group, argc - at - 1, argv + at + 1)))
			return print(prov_verb_help, v);
		return at < argc
			? print(all_help, NULL)
			: prov_usage("`allod --help` lists the verbs", "a verb is missing");
	}
	v = prov_verb_find(&used, &group, argc - at, argv + at);
	if (!v)
		return no_verb(argv[at], group);
	return run(v, home, argc - at - used, argv + at + used);
}
