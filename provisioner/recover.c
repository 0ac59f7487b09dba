/* SPDX-License-Identifier: ISC */
/*
 * What a backup holds is checked on its way in as if a stranger sent it: packs by store_receive_*,
 * then everything once more by store_verify, before the folder gets its name. Services make their
 * indexes when they start.
 */
#include "provisioner/recover.h"
#include "identity/registry.h"
#include "provisioner/conf.h"
#include "provisioner/create.h"
#include "provisioner/home.h"
#include "provisioner/keeping.h"
#include "provisioner/ports.h"
#include "provisioner/seal.h"
#include "store/exchange.h"
#include "store/git_dir.h"
#include "store/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define REFS_MAX    65536
#define MOVES       1000 /* refs of one store_ref_update */
#define PACKS_MAX   256
#define PIECE_BYTES (64 * 1024)
#define CLOCK_SEC   10 /* clocks may differ by so much */

struct ref {
	struct str name;
	struct store_oid id;
};
struct pack {
	struct pack *next;
	struct store_receive *receive;
};
struct recovering {
	struct prov *p;
	struct prov_recover *how;
	struct prov_estate *e;
	json_t *sealed;
	/* the service at hand */
	const struct prov_service *svc;
	const char *repo;
	struct store *s;
	struct ref *refs;
	size_t ref_n, ref_cap;
	struct pack *packs; /* received, and kept until refs name what is in them */
	size_t pack_n;
};

/* ---- refs and objects of one repository ---- */
static int add_ref(void *ctx, struct str name, const struct store_oid *id)
{
	struct recovering *r = ctx;

	if (r->ref_n == REFS_MAX)
		return err_set(ERR_LIMIT, "%s has over %d branches", r->repo, REFS_MAX);
	if (r->ref_n == r->ref_cap) {
		size_t cap = r->ref_cap ? r->ref_cap * 2 : 64;
		struct ref *more = realloc(r->refs, cap * sizeof(*more));

		if (!more)
			return err_set(ERR_NOMEM, "out of memory");
		r->refs = more;
		r->ref_cap = cap;
	}
	r->refs[r->ref_n] = (struct ref){ arena_dup(&r->p->arena, name), *id };
	return r->refs[r->ref_n++].name.p ? 0 : err_set(ERR_LIMIT, "too many branches");
}

static const struct ref *find_ref(const struct recovering *r, struct str name)
{
	for (size_t i = 0; i < r->ref_n; i++)
		if (str_eq(r->refs[i].name, name))
			return &r->refs[i];
	return NULL;
}

static int feed(struct recovering *r, struct store_receive *to, int fd, const char *path)
{
	char *piece = malloc(PIECE_BYTES), size[16];
	int err = piece ? 0 : err_set(ERR_NOMEM, "out of memory");

	while (err == 0) {
		ssize_t n = read(fd, piece, PIECE_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = prov_errno("cannot read", path);
		if (n <= 0)
			break;
		err = store_receive_write(to, str_n(piece, (size_t)n));
		r->how->bytes += (uint64_t)n;
		prov_progress(&r->how->bar, "recover: %s read", prov_size(size, r->how->bytes));
	}
	free(piece);
	return err < 0 ? err : store_receive_finish(to);
}

static int take_pack(void *ctx, const char *path)
{
	/* A person's own backup: what it may hold is bounded by the disk it goes to. */
	static const struct store_receive_limits limits = {
		.pack_bytes_max = INT64_MAX,
		.object_bytes_max = STORE_BLOB_MAX,
		.total_bytes_max = INT64_MAX,
		.objects_max = UINT32_MAX,
		.delta_depth_max = 4096,
	};
	struct recovering *r = ctx;
	struct pack *k;
	int fd, err;

	if (r->pack_n == PACKS_MAX)
		return err_set(ERR_LIMIT,
			"%s has over %d packs; `git -C %s repack -ad` makes them one", r->repo,
			PACKS_MAX, r->repo);
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(ERR_NOMEM, "out of memory");
	k->next = r->packs;
	r->packs = k;
	r->pack_n++;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return prov_errno("cannot open", path);
	err = store_receive_begin(&k->receive, r->s, &limits);
	if (err == 0)
		err = feed(r, k->receive, fd, path);
	close(fd);
	return err == ERR_NOSPACE || err == ERR_NOMEM || err == 0
		? err
		: err_set(ERR_CORRUPT, "%s: %s", path, err_text(err));
}

static void end_packs(struct recovering *r)
{
	while (r->packs) {
		struct pack *k = r->packs;

		r->packs = k->next;
		store_receive_end(k->receive);
		free(k);
	}
	r->pack_n = 0;
}

static int take_shallow(void *ctx, const struct store_oid *id)
{
	struct recovering *r = ctx;

	return store_shallow_add(r->s, id, 1);
}

static int set_refs(struct recovering *r)
{
	struct store_why why = { STR("allod"), STR("allod@localhost"), STR("allod: recover"), 0 };
	struct store_ref_move *moves = calloc(MOVES, sizeof(*moves));
	int err = moves ? 0 : err_set(ERR_NOMEM, "out of memory");

	for (size_t at = 0; at < r->ref_n && err == 0; at += MOVES) {
		size_t n = r->ref_n - at < MOVES ? r->ref_n - at : MOVES;

		for (size_t i = 0; i < n; i++)
			moves[i] = (struct store_ref_move){ r->refs[at + i].name, NULL,
				&r->refs[at + i].id };
		err = store_ref_update(r->s, moves, n, &why, OS_FOREVER);
	}
	free(moves);
	if (err == ERR_NOENT)
		return err_set(ERR_CORRUPT, "%s lacks objects that its branches name", r->repo);
	return err;
}

/* ---- whose it is, and what clients were told ---- */
static int check_estate(struct recovering *r)
{
	struct id_registry *reg;
	int err = id_open(&reg, r->s);

	if (err < 0)
		return err_set(ERR_CORRUPT, "%s holds no estate: %s", r->repo, err_text(err));
	if (!str_eq(id_domain(reg), r->e->domain))
		err = err_set(ERR_CORRUPT, "%s is of another estate, %.*s", r->repo,
			STR_ARG(id_domain(reg)));
	id_close(reg);
	return err;
}

/* What was sealed of the service. */
static const json_t *kept_of(const struct recovering *r)
{
	return json_object_getn(
		json_object_get(r->sealed, "services"), r->svc->name.p, r->svc->name.n);
}

/* A local record names the snapshot each branch goes on from (docs/mail-layout.md). */
static int note_snapshots(struct recovering *r, struct store_edit *e, const char *endpoint)
{
	int err = 0;

	for (size_t i = 0; i < r->ref_n && err == 0; i++) {
		struct str name = r->refs[i].name, key, from;
		const struct ref *snapshot;

		if (!str_starts(name, STR("refs/heads/")))
			continue;
		from = arena_fmt(&r->p->arena, "refs/endpoints/%s/%.*s", endpoint,
			STR_ARG(str_sub(name, 11, name.n)));
		key = arena_fmt(&r->p->arena, "recover/%.*s", STR_ARG(name));
		if (!from.p || !key.p)
			return err_set(ERR_LIMIT, "too many branches");
		snapshot = find_ref(r, from);
		if (!snapshot)
			continue;
		err = store_edit_local_put(e, key, str_n(snapshot->id.b, sizeof(snapshot->id.b)));
		r->how->accounts++;
	}
	return err;
}

static int put_snapshots(struct recovering *r)
{
	struct store_why why = { STR("allod"), STR("allod@localhost"), STR("allod: recover"), 0 };
	const char *endpoint = json_string_value(json_object_get(kept_of(r), "endpoint"));
	struct store_edit *e;
	int err;

	if (!endpoint || !*endpoint)
		return 0;
	err = store_edit_begin(&e, r->s, STR("refs/heads/estate"), OS_FOREVER);
	if (err < 0)
		return err;
	err = note_snapshots(r, e, endpoint);
	if (err == 0)
		return store_edit_commit(NULL, e, &why);
	store_edit_abort(e);
	return err;
}

/* ---- everything once more ---- */
struct check {
	struct recovering *r;
	char first[200];
};

static void mismatch(void *ctx, struct str what)
{
	struct check *c = ctx;

	if (!c->first[0])
		snprintf(c->first, sizeof(c->first), "%.*s", STR_ARG(what));
}

static void progress(void *ctx, uint64_t done, uint64_t total)
{
	struct check *c = ctx;

	prov_progress(&c->r->how->bar, "recover: %llu of %llu objects checked",
		(unsigned long long)done, (unsigned long long)total);
}

static int verify(struct recovering *r)
{
	struct check c = { .r = r };
	struct store_verify v = { .mismatch = mismatch, .progress = progress, .ctx = &c };
	int err = store_verify(r->s, &v);

	r->how->objects += v.objects;
	if (err == 0 && v.mismatches > 0)
		err = err_set(ERR_CORRUPT, "%s is damaged in %llu places, the first: %s", r->repo,
			(unsigned long long)v.mismatches, c.first);
	return err;
}

/* ---- one service ---- */
static int fill(struct recovering *r)
{
	int err = git_dir_packs(r->repo, take_pack, r);

	if (err == 0)
		err = git_dir_shallows(r->repo, take_shallow, r);
	if (err == ERR_NOENT) /* it is whole */
		err = 0;
	if (err == 0)
		err = set_refs(r);
	end_packs(r);
	if (err == 0)
		err = check_estate(r);
	if (err == 0)
		err = put_snapshots(r);
	if (err == 0)
		err = prov_keeping_set(r->s, json_object_get(kept_of(r), "keeping"));
	if (err == 0)
		err = verify(r);
	return err < 0 ? err : prov_configure(r->s, r->p, r->e->domain, r->svc->name);
}

static uint64_t disk_bytes(const struct recovering *r)
{
	json_int_t n = json_integer_value(json_object_get(kept_of(r), "disk_bytes"));

	return n > 0 ? (uint64_t)n : PROV_DISK_BYTES;
}

static int make_disk(struct recovering *r)
{
	struct os_disk *disk;
	int err = os_disk_file(&disk, r->svc->disk, disk_bytes(r));

	if (err < 0)
		return err;
	err = store_format(disk);
	if (err == 0)
		err = store_open(&r->s, disk, NULL);
	if (err == 0) {
		err = fill(r);
		store_close(r->s);
	}
	os_disk_close(disk);
	return err;
}

/* Branches there were when it was sealed; one that was deleted since is no fault. */
static void miss_refs(struct recovering *r)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(kept_of(r), "refs"), i, one)
	{
		const char *name = json_string_value(one);

		if (name && !find_ref(r, str_of(name)))
			prov_note("%s: the branch %s was backed up once and is not there now",
				r->repo, name);
	}
}

static int make_service(struct recovering *r, struct prov_service *s)
{
	struct str repo = arena_fmt(&r->p->arena, "%s/%.*s.git", r->how->dir, STR_ARG(s->name));
	int err;

	r->svc = s;
	r->ref_n = 0;
	s->disk = prov_path(r->p, "disks/%.*s.img", STR_ARG(s->name));
	if (!repo.p)
		return err_set(ERR_LIMIT, "the folder's name is too long");
	r->repo = repo.p;
	err = git_dir_refs(r->repo, add_ref, r);
	if (err == ERR_NOENT)
		return err_set(ERR_CORRUPT, "%s is not there", r->repo);
	if (err == 0 && r->ref_n == 0)
		err = err_set(ERR_CORRUPT, "%s has no branches", r->repo);
	if (err == 0)
		miss_refs(r);
	r->how->refs += r->ref_n;
	return err < 0 ? err : make_disk(r);
}

/* ---- the folder ---- */
static int refuse_home(struct prov *p)
{
	DIR *d = opendir(p->home);
	struct dirent *e;
	int err = 0;

	if (!d)
		return errno == ENOENT ? 0 : prov_errno("cannot use", p->home);
	while (err == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			err = err_set(ERR_EXIST, "%s is not empty", p->home);
	closedir(d);
	return err;
}

static int write_files(struct recovering *r)
{
	struct buf key;
	int err = 0;

	for (const char *const *f = prov_seal_files; *f && err == 0; f++) {
		struct str text = prov_seal_get(r->sealed, *f);

		if (!text.p)
			return err_set(ERR_CORRUPT, "what is sealed lacks %s", *f);
		if (!str_eq(str_of(*f), STR("allod.conf")))
			err = prov_file_write(r->p, prov_path(r->p, "%s", *f), text,
				str_ends(str_of(*f), STR(".pem")) ? 0644 : 0600);
	}
	if (err < 0)
		return err;
	buf_init(&key, &r->p->arena);
	id_recovery_key_text(&key, &r->how->code.key);
	return key.err < 0
		? key.err
		: prov_file_write(r->p, prov_path(r->p, PROV_SEAL_KEY), buf_str(&key), 0600);
}

static int write_conf(struct recovering *r)
{
	struct buf text;

	buf_init(&text, &r->p->arena);
	prov_estate_write(&text, r->e, r->p->home);
	return text.err < 0
		? text.err
		: prov_file_write(r->p, prov_path(r->p, "allod.conf"), buf_str(&text), 0600);
}

static int make_all(struct recovering *r)
{
	int err = prov_mkdirs(prov_path(r->p, "disks"));

	if (err == 0)
		err = prov_mkdirs(prov_path(r->p, "keys"));
	if (err == 0 && chmod(r->p->home, 0700) < 0)
		err = prov_errno("cannot protect", r->p->home);
	if (err == 0)
		err = write_files(r);
	for (size_t i = 0; i < r->e->service_count && err == 0; i++)
		err = make_service(r, &r->e->services[i]);
	return err < 0 ? err : write_conf(r);
}

/* Built beside it, so that a recover that is killed leaves no estate that looks like one. */
static int make_aside(struct recovering *r)
{
	const char *home = r->p->home;
	struct str aside = arena_fmt(&r->p->arena, "%s.recovering", home);
	int err = aside.p ? prov_remove(aside.p) : err_set(ERR_LIMIT, "home's name is too long");

	if (err < 0)
		return err;
	r->p->home = aside.p;
	err = make_all(r);
	r->p->home = home;
	if (err == 0 && rename(aside.p, home) < 0)
		err = prov_errno("cannot put in place", home);
	if (err < 0) {
		char why[200];

		snprintf(why, sizeof(why), "%s", err_text(err));
		if (prov_remove(aside.p) < 0)
			prov_note("%s is left over", aside.p);
		err_set(err, "%s", why);
	}
	return err;
}

/* ---- what is sealed ---- */
static int read_conf(struct recovering *r)
{
	struct str text = prov_seal_get(r->sealed, "allod.conf");
	int err;

	if (!text.p)
		return err_set(ERR_CORRUPT, "what is sealed lacks allod.conf");
	err = prov_estate_parse(
		r->e, &r->p->arena, arena_dup(&r->p->arena, text), "allod.conf", r->p->home);
	if (err < 0)
		return err;
	for (size_t i = 0; i < r->e->service_count && err == 0; i++) {
		struct prov_service *s = &r->e->services[i];

		if (r->how->target >= 0)
			s->target = (enum prov_target)r->how->target;
		if (r->how->listen)
			err = prov_ports_wish(s, r->how->listen);
		if (err == 0)
			err = prov_ports_check(&r->p->arena, s);
	}
	return err;
}

static int read_sealed(struct recovering *r)
{
	int err = prov_seal_read(&r->sealed, r->p, r->how->dir, &r->how->code);

	if (err == ERR_NOENT)
		return err_set(err, "%s is no backup: it has no " PROV_SEAL_FILE, r->how->dir);
	if (err < 0)
		return err;
	r->how->made_sec = json_integer_value(json_object_get(r->sealed, "made"));
	if (r->how->made_sec > os_wall_sec() + CLOCK_SEC)
		return err_set(ERR_BAD,
			"this machine's clock is behind the backup's: set it first, as numbers "
			"that clients know must go on");
	/* A new store's numbers begin with the second it is made in. */
	while (os_wall_sec() <= r->how->made_sec)
		os_sleep(os_after(OS_SEC / 20));
	return 0;
}

int prov_recover(struct prov_estate *out, struct prov *p, struct prov_recover *how)
{
	struct recovering r = { .p = p, .how = how, .e = out };
	int err = refuse_home(p);

	if (err == 0)
		err = read_sealed(&r);
	if (err == 0)
		err = read_conf(&r);
	if (err == 0)
		err = make_aside(&r);
	prov_progress_end(&how->bar);
	json_decref(r.sealed);
	free(r.refs);
	return err;
}
