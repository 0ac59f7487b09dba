# Every file call goes to the shim of store/lmdb_shim.h, which is compiled in before anything else.
ours=(store/lmdb_shim.h)
recipe() {
	cd libraries/liblmdb
	cp "$top/store/lmdb_shim.h" .
	# The one place where it looks at a page of its file: is it what was written there?
	sed -i '/^\t\tlevel = 0;$/{n;s/$/\n\t\tif (!store_lmdb_sound(p))\n\t\t\treturn MDB_CORRUPTED;/}' mdb.c
	[ "$(grep -c store_lmdb_sound mdb.c)" = 1 ]
	# The pages of a batch go back to malloc when it is written: those of the largest one were kept for ever.
	sed -i 's/^\tenv->me_dpages = mp;$/\tfree(mp);/' mdb.c
	[ "$(grep -c '^	free(mp);$' mdb.c)" = 1 ]
	# Lists for 16,384 pages changed at once, which is more memory than there is; for 131,072 they take 3 MB.
	sed -i 's/^#define.MDB_IDL_LOGN.*/#define MDB_IDL_LOGN 13/' midl.h
	[ "$(grep -c 'MDB_IDL_LOGN 13' midl.h)" = 1 ]
	archive lmdb "-fno-strict-aliasing -DSTORE_LMDB_BUILD -include lmdb_shim.h
		-DMDB_USE_ROBUST=0 -DMDB_MAXKEYSIZE=511" mdb.c midl.c
	headers . lmdb.h
}
