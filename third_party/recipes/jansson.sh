recipe() {
	sed -e 's/@json_inline@/inline/' -e 's/@json_have_localeconv@/0/' -e 's/@json_have_[a-z_]*@/1/' \
		src/jansson_config.h.in >src/jansson_config.h
	cat >src/jansson_private_config.h <<-END
		#define HAVE_STDINT_H 1
		#define INITIAL_HASHTABLE_ORDER 3
	END
	# Hash seeds come from json_object_seed(), called by us with real entropy: no /dev/urandom, no clock.
	archive jansson "-DHAVE_CONFIG_H -Isrc" src/{dump,error,hashtable,hashtable_seed,load,memory,pack_unpack,strbuffer,strconv,utf,value}.c
	headers . src/jansson.h src/jansson_config.h
}
