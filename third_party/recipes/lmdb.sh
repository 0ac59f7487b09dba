# Every file call goes to the shim of store/lmdb_shim.h, which is compiled in before anything else.
ours=(store/lmdb_shim.h)
recipe() {
	cd libraries/liblmdb
	cp "$top/store/lmdb_shim.h" .
	# The one place where it looks at a page of its file: is it what was written there?
	sed -i '/^\t\tlevel = 0;$/{n;s/$/\n\t\tif (!store_lmdb_sound(p))\n\t\t\treturn MDB_CORRUPTED;/}' mdb.c
	[ "$(grep -c store_lmdb_sound mdb.c)" = 1 ]
	archive lmdb "-fno-strict-aliasing -DSTORE_LMDB_BUILD -include lmdb_shim.h
		-DMDB_USE_ROBUST=0 -DMDB_MAXKEYSIZE=511" mdb.c midl.c
	headers . lmdb.h
}
