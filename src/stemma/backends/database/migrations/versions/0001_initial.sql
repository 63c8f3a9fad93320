CREATE TABLE blocks (
	id BLOB NOT NULL CONSTRAINT ck_blocks_id_size CHECK (length(id) = 32),
	pack BLOB NOT NULL,
	position INTEGER NOT NULL,
	stored INTEGER NOT NULL,
	raw INTEGER NOT NULL,
	codec INTEGER NOT NULL,
	check_bytes BLOB NOT NULL,
	base BLOB,
	CONSTRAINT pk_blocks PRIMARY KEY (id, pack)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_blocks_pack ON blocks (pack);
CREATE TABLE checkpoints (
	namespace TEXT NOT NULL,
	size INTEGER NOT NULL,
	time INTEGER NOT NULL,
	note BLOB NOT NULL,
	CONSTRAINT pk_checkpoints PRIMARY KEY (namespace, size)
)
 STRICT;
CREATE TABLE edges (
	id INTEGER NOT NULL,
	child INTEGER NOT NULL,
	parent INTEGER NOT NULL,
	kind INTEGER NOT NULL,
	CONSTRAINT pk_edges PRIMARY KEY (id)
)
 STRICT;
CREATE INDEX ix_edges_down ON edges (parent, id, child, kind);
CREATE INDEX ix_edges_up ON edges (child, id, parent, kind);
CREATE TABLE entries (
	namespace TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	time INTEGER NOT NULL,
	action TEXT NOT NULL,
	actor TEXT NOT NULL,
	concerns TEXT NOT NULL,
	leaf_hash BLOB NOT NULL CONSTRAINT ck_entries_leaf_hash_size CHECK (length(leaf_hash) = 32),
	data BLOB NOT NULL,
	CONSTRAINT pk_entries PRIMARY KEY (namespace, sequence)
)
 STRICT;
CREATE INDEX ix_entries_concerns ON entries (namespace, concerns, sequence);
CREATE TABLE files (
	digest BLOB NOT NULL CONSTRAINT ck_files_digest_size CHECK (length(digest) = 32),
	pack BLOB NOT NULL,
	position INTEGER NOT NULL,
	recipe BLOB NOT NULL,
	CONSTRAINT pk_files PRIMARY KEY (digest, pack)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_files_pack ON files (pack);
CREATE TABLE nodes (
	id INTEGER NOT NULL,
	name TEXT NOT NULL,
	is_linked INTEGER NOT NULL,
	parents INTEGER NOT NULL,
	children INTEGER NOT NULL,
	CONSTRAINT pk_nodes PRIMARY KEY (id),
	CONSTRAINT uq_nodes_name UNIQUE (name)
)
 STRICT;
CREATE TABLE packs (
	id BLOB NOT NULL,
	size INTEGER NOT NULL,
	scope TEXT NOT NULL,
	CONSTRAINT pk_packs PRIMARY KEY (id)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE principals (
	id TEXT NOT NULL,
	kind TEXT NOT NULL,
	name BLOB NOT NULL CONSTRAINT ck_principals_name_size CHECK (length(name) = 32),
	time INTEGER NOT NULL,
	CONSTRAINT pk_principals PRIMARY KEY (id)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE records (
	digest BLOB NOT NULL CONSTRAINT ck_records_digest_size CHECK (length(digest) = 32),
	data BLOB NOT NULL,
	CONSTRAINT pk_records PRIMARY KEY (digest)
)
 STRICT;
CREATE TABLE refusals (
	namespace TEXT NOT NULL,
	actor_kind TEXT NOT NULL,
	actor TEXT NOT NULL,
	action TEXT NOT NULL,
	thing_kind TEXT NOT NULL,
	thing TEXT NOT NULL,
	count INTEGER NOT NULL,
	entered INTEGER NOT NULL,
	CONSTRAINT pk_refusals PRIMARY KEY (namespace, actor_kind, actor, action, thing_kind, thing)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_refusals_count ON refusals (count);
CREATE INDEX ix_refusals_entered ON refusals (entered);
CREATE TABLE roles (
	principal TEXT NOT NULL,
	namespace TEXT NOT NULL,
	role TEXT NOT NULL,
	CONSTRAINT pk_roles PRIMARY KEY (principal, namespace, role)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE segments (
	id BLOB NOT NULL CONSTRAINT ck_segments_id_size CHECK (length(id) = 32),
	pack BLOB NOT NULL,
	position INTEGER NOT NULL,
	blocks BLOB NOT NULL,
	CONSTRAINT pk_segments PRIMARY KEY (id, pack)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_segments_pack ON segments (pack);
CREATE TABLE texts (
	commitment BLOB NOT NULL CONSTRAINT ck_texts_commitment_size CHECK (length(commitment) = 32),
	salt BLOB NOT NULL,
	text TEXT,
	CONSTRAINT pk_texts PRIMARY KEY (commitment)
)
 STRICT;
CREATE TABLE tiles (
	namespace TEXT NOT NULL,
	level INTEGER NOT NULL,
	number INTEGER NOT NULL,
	hashes BLOB NOT NULL,
	CONSTRAINT pk_tiles PRIMARY KEY (namespace, level, number)
)
 STRICT;
CREATE TABLE uploads (
	id TEXT NOT NULL,
	owner TEXT NOT NULL,
	namespace TEXT NOT NULL,
	began INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	CONSTRAINT pk_uploads PRIMARY KEY (id)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_uploads_expires ON uploads (expires);
