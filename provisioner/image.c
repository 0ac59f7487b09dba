/* SPDX-License-Identifier: ISC */
#include "provisioner/image.h"
#include "os/crypto.h"
#include "provisioner/home.h"
#include "provisioner/say.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_BYTES_MAX (256u * 1024 * 1024)
#define KEEP            4 /* older copies of a service that stay, for a look back */

static const struct {
	const char *folder, *suffix;
} kinds[] = { [PROV_VIRT] = { "virt-rel", ".img" }, [PROV_UNIX] = { "unix-rel", "" } };

static const char *try_at(struct prov *p, const char *dir, const char *sub, struct str service,
	enum prov_target target)
{
	struct str path = arena_fmt(&p->arena, "%s%s%s/%.*s%s", dir, *sub ? "/" : "", sub,
		STR_ARG(service), kinds[target].suffix);
	struct stat st;

	os_assert(path.p);
	return stat(path.p, &st) == 0 && S_ISREG(st.st_mode) ? path.p : NULL;
}

int prov_image_find(const char **out, struct prov *p, struct str service, enum prov_target target)
{
	const char *only = getenv("ALLOD_IMAGES"), *slash = strrchr(p->self, '/');
	struct str here =
		slash ? arena_dup(&p->arena, str_n(p->self, (size_t)(slash - p->self))) : STR(".");
	struct str lib = arena_fmt(&p->arena, "%s/../libexec/allod", here.p);
	const char *dirs[] = { only ? only : here.p, only ? NULL : lib.p };

	for (size_t i = 0; i < ARRAY_LEN(dirs) && dirs[i]; i++) {
		*out = try_at(p, dirs[i], "", service, target);
		if (!*out)
			*out = try_at(p, dirs[i], kinds[target].folder, service, target);
		if (*out)
			return 0;
	}
	return err_set(ERR_NOENT, "no image of %.*s for %s in %s", STR_ARG(service),
		prov_target_name[target], dirs[0]);
}

int prov_image_check(const struct prov_manifest *m, const struct prov_service *s)
{
	if (!str_eq(m->name, s->name))
		return err_set(ERR_UNSUPPORTED, "the image is of \"%.*s\"", STR_ARG(m->name));
	if (m->nics > 1 || m->disks > 1)
		return err_set(ERR_UNSUPPORTED, "the image wants %d network cards and %d disks",
			(int)m->nics, (int)m->disks);
	if (s->memory_mb && s->memory_mb < m->memory_mb)
		return err_set(ERR_UNSUPPORTED, "allod.conf gives it %d MiB of memory, it needs %d",
			(int)s->memory_mb, (int)m->memory_mb);
	for (size_t i = 0; i < s->listen_count; i++) {
		const struct prov_listen *l = &s->listen[i];
		size_t j = 0;

		while (j < m->port_count && !str_eq(m->ports[j].name, l->name))
			j++;
		if (j == m->port_count || m->ports[j].number != l->guest)
			return err_set(ERR_UNSUPPORTED, "the image does not serve %.*s on port %d",
				STR_ARG(l->name), l->guest);
	}
	return 0;
}

/* Drops copies of this service and target beyond the newest few. */
static void prune(struct prov *p, struct str prefix)
{
	const char *dir = prov_path(p, "images");

	for (;;) {
		DIR *d = opendir(dir);
		const struct dirent *e;
		struct str oldest = STR_NONE;
		struct timespec when = { 0, 0 };
		unsigned n = 0;

		while (d && (e = readdir(d))) {
			struct stat st;

			if (!str_starts(str_of(e->d_name), prefix) ||
				fstatat(dirfd(d), e->d_name, &st, 0) < 0)
				continue;
			n++;
			if (oldest.p &&
				(st.st_mtim.tv_sec > when.tv_sec ||
					(st.st_mtim.tv_sec == when.tv_sec &&
						st.st_mtim.tv_nsec >= when.tv_nsec)))
				continue;
			oldest = arena_dup(&p->arena, str_of(e->d_name));
			when = st.st_mtim;
		}
		if (d)
			closedir(d);
		if (n <= KEEP || unlink(prov_path(p, "images/%.*s", STR_ARG(oldest))) < 0)
			return;
	}
}

static int keep_copy(
	struct prov_image *out, struct prov *p, const struct prov_service *s, struct str bytes)
{
	uint8_t digest[OS_SHA256_BYTES];
	struct str prefix =
		arena_fmt(&p->arena, "%.*s-%s-", STR_ARG(s->name), prov_target_name[s->target]);
	struct buf hex;
	int err;

	buf_init(&hex, &p->arena);
	os_sha256(digest, bytes);
	os_hex(&hex, str_n(digest, sizeof(digest)));
	os_assert(prefix.p && hex.err == 0);
	out->hash = hex.p;
	out->path = prov_path(p, "images/%s%.16s", prefix.p, hex.p);
	if (prov_file_exists(out->path)) {
		utimensat(AT_FDCWD, out->path, NULL, 0);
		return 0;
	}
	err = prov_file_write(p, out->path, bytes, 0700);
	if (err == 0)
		prune(p, prefix);
	return err;
}

int prov_image_take(struct prov_image *out, struct prov *p, const struct prov_service *s)
{
	const char *found;
	struct str bytes;
	struct arena a;
	int err = prov_image_find(&found, p, s->name, s->target);

	if (err < 0)
		return err;
	arena_init(&a, IMAGE_BYTES_MAX + 4096);
	err = prov_file_read(&bytes, &a, found, IMAGE_BYTES_MAX);
	if (err == 0)
		err = prov_manifest_of_elf(&out->manifest, bytes);
	if (err == 0)
		err = prov_image_check(&out->manifest, s);
	if (err < 0) {
		err = err_set(err, "%s: %s", found, err_text(err));
	} else {
		err = keep_copy(out, p, s, bytes);
		/* Nothing may point into the file's bytes when they go. */
		out->manifest.name = arena_dup(&p->arena, out->manifest.name);
		out->manifest.version = arena_dup(&p->arena, out->manifest.version);
		for (size_t i = 0; i < out->manifest.port_count; i++)
			out->manifest.ports[i].name =
				arena_dup(&p->arena, out->manifest.ports[i].name);
	}
	arena_free(&a);
	return err;
}
