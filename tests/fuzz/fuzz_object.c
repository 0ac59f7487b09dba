/* SPDX-License-Identifier: ISC */
/*
 * Commits, trees and tags as we read them against libgit2's own readers: what we understand it
 * does, and a commit says the same to both. The first byte is the type.
 */
#include "store/store_impl.h"

#include <git2.h>
#include <git2/sys/mempack.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static git_repository *repo;
static git_odb *odb;
static git_odb_backend *memory;

static void begin(void)
{
	os_assert(git_libgit2_init() > 0 && git_odb_new(&odb) == 0 &&
		git_mempack_new(&memory) == 0 && git_odb_add_backend(odb, memory, 1) == 0 &&
		git_repository_wrap_odb(&repo, odb) == 0);
}

/* Theirs end at a NUL. */
static void same(struct str ours, const char *theirs)
{
	size_t n = ours.n ? strnlen(ours.p, ours.n) : 0;
	os_assert(str_eq(str_sub(ours, 0, n), str_of(theirs)));
}

static void compare(const struct commit_fields *c, struct str text)
{
	const git_signature *who;
	git_commit *g;
	git_oid id;

	os_assert(git_odb_write(&id, odb, text.p, text.n, GIT_OBJECT_COMMIT) == 0 &&
		git_commit_lookup(&g, repo, &id) == 0);
	who = git_commit_author(g);
	os_assert(memcmp(git_commit_tree_id(g)->id, c->tree.b, 20) == 0);
	os_assert(git_commit_parentcount(g) == c->parent_count);
	for (unsigned i = 0; i < c->parent_count; i++)
		os_assert(memcmp(git_commit_parent_id(g, i)->id, c->parents[i].b, 20) == 0);
	os_assert(git_commit_time(g) == c->time);
	same(c->author_name, who->name);
	same(c->author_email, who->email);
	same(c->message, git_commit_message_raw(g));
	git_commit_free(g);
	os_assert(git_mempack_reset(memory) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct commit_fields c;
	struct str text;
	int type, valid = 0;

	if (n < 2)
		return 0;
	if (!repo)
		begin();
	type = OBJ_COMMIT + p[0] % OBJ_TAG;
	text = str_n(p + 1, n - 1);
	if (type == OBJ_BLOB || !object_readable(type, text))
		return 0;
	os_assert(git_object_rawcontent_is_valid(&valid, text.p, text.n, (git_object_t)type) == 0 &&
		valid);
	if (type == OBJ_COMMIT && commit_parse(&c, text) == 0)
		compare(&c, text);
	return 0;
}
