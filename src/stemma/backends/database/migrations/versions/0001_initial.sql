CREATE TABLE aliases (
	namespace TEXT NOT NULL,
	model TEXT NOT NULL,
	name TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	digest BLOB NOT NULL CONSTRAINT ck_aliases_digest_size CHECK (length(digest) = 32),
	top INTEGER NOT NULL,
	CONSTRAINT pk_aliases PRIMARY KEY (namespace, model, name)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_aliases_sequence ON aliases (namespace, model, sequence);
CREATE TABLE answers (
	caller TEXT NOT NULL,
	"key" TEXT NOT NULL,
	request BLOB NOT NULL CONSTRAINT ck_answers_request_size CHECK (length(request) = 32),
	answer BLOB NOT NULL,
	time INTEGER NOT NULL,
	CONSTRAINT pk_answers PRIMARY KEY (caller, "key")
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_answers_time ON answers (time);
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
CREATE TABLE branches (
	namespace TEXT NOT NULL,
	model TEXT NOT NULL,
	name TEXT NOT NULL,
	head INTEGER NOT NULL,
	start INTEGER,
	CONSTRAINT pk_branches PRIMARY KEY (namespace, model, name)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE checkpoints (
	namespace TEXT NOT NULL,
	size INTEGER NOT NULL,
	time INTEGER NOT NULL,
	note BLOB NOT NULL,
	CONSTRAINT pk_checkpoints PRIMARY KEY (namespace, size)
)
 STRICT;
CREATE TABLE deliveries (
	webhook TEXT NOT NULL,
	namespace TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	type TEXT NOT NULL,
	time INTEGER NOT NULL,
	due INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	state TEXT NOT NULL,
	attempts INTEGER NOT NULL,
	status INTEGER,
	detail TEXT NOT NULL,
	ended INTEGER,
	CONSTRAINT pk_deliveries PRIMARY KEY (webhook, namespace, sequence)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_deliveries_ended ON deliveries (ended);
CREATE INDEX ix_deliveries_turn ON deliveries (webhook, state, time);
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
	position INTEGER NOT NULL,
	namespace TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	time INTEGER NOT NULL,
	action TEXT NOT NULL,
	actor TEXT NOT NULL,
	concerns TEXT NOT NULL,
	leaf_hash BLOB NOT NULL CONSTRAINT ck_entries_leaf_hash_size CHECK (length(leaf_hash) = 32),
	data BLOB NOT NULL,
	CONSTRAINT pk_entries PRIMARY KEY (position)
)
 STRICT;
CREATE INDEX ix_entries_concerns ON entries (namespace, concerns, sequence);
CREATE UNIQUE INDEX ux_entries_sequence ON entries (namespace, sequence);
CREATE TABLE evidence (
	namespace TEXT NOT NULL,
	model TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	position INTEGER NOT NULL,
	digest BLOB NOT NULL CONSTRAINT ck_evidence_digest_size CHECK (length(digest) = 32),
	kind TEXT NOT NULL,
	time INTEGER NOT NULL,
	actor TEXT NOT NULL,
	dataset BLOB CONSTRAINT ck_evidence_dataset_size CHECK (length(dataset) = 32),
	statement BLOB CONSTRAINT ck_evidence_statement_size CHECK (length(statement) = 32),
	CONSTRAINT pk_evidence PRIMARY KEY (namespace, model, sequence, position)
)
 WITHOUT ROWID,
 STRICT;
CREATE UNIQUE INDEX ux_evidence_digest ON evidence (namespace, model, sequence, digest);
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
CREATE TABLE labels (
	namespace TEXT NOT NULL,
	model TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	"key" TEXT NOT NULL,
	value TEXT,
	text BLOB NOT NULL CONSTRAINT ck_labels_text_size CHECK (length(text) = 32),
	CONSTRAINT pk_labels PRIMARY KEY (namespace, model, sequence, "key")
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_labels_model ON labels (namespace, "key", sequence, model);
CREATE INDEX ix_labels_text ON labels (text);
CREATE INDEX ix_labels_version ON labels (namespace, model, "key", sequence);
CREATE TABLE leases (
	name TEXT NOT NULL,
	holder TEXT NOT NULL,
	expires INTEGER NOT NULL,
	CONSTRAINT pk_leases PRIMARY KEY (name)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE manifests (
	digest BLOB NOT NULL CONSTRAINT ck_manifests_digest_size CHECK (length(digest) = 32),
	namespace TEXT NOT NULL,
	size INTEGER NOT NULL,
	CONSTRAINT pk_manifests PRIMARY KEY (digest, namespace)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE measurements (
	namespace TEXT NOT NULL,
	model TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	position INTEGER NOT NULL,
	name TEXT NOT NULL,
	slice TEXT NOT NULL,
	kind TEXT NOT NULL,
	value BLOB,
	low BLOB,
	high BLOB,
	CONSTRAINT pk_measurements PRIMARY KEY (namespace, model, sequence, position, name, slice)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE messages (
	namespace TEXT NOT NULL,
	model TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	text BLOB NOT NULL CONSTRAINT ck_messages_text_size CHECK (length(text) = 32),
	folded TEXT,
	CONSTRAINT pk_messages PRIMARY KEY (namespace, model, sequence, text)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE models (
	namespace TEXT NOT NULL,
	model TEXT NOT NULL,
	time INTEGER NOT NULL,
	actor TEXT NOT NULL,
	last INTEGER NOT NULL,
	title TEXT,
	title_key BLOB,
	title_text BLOB CONSTRAINT ck_models_title_text_size CHECK (length(title_text) = 32),
	description BLOB CONSTRAINT ck_models_description_size CHECK (length(description) = 32),
	CONSTRAINT pk_models PRIMARY KEY (namespace, model)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_models_title_text ON models (title_text);
CREATE UNIQUE INDEX ux_models_title ON models (namespace, title_key);
CREATE TABLE moves (
	namespace TEXT NOT NULL,
	model TEXT NOT NULL,
	alias TEXT NOT NULL,
	position INTEGER NOT NULL,
	time INTEGER NOT NULL,
	actor TEXT NOT NULL,
	kind TEXT NOT NULL,
	"before" INTEGER,
	"after" INTEGER,
	below INTEGER,
	reason BLOB CONSTRAINT ck_moves_reason_size CHECK (length(reason) = 32),
	is_override INTEGER NOT NULL,
	CONSTRAINT pk_moves PRIMARY KEY (namespace, model, alias, position)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_moves_time ON moves (namespace, model, alias, time, position);
CREATE TABLE namespaces (
	name TEXT NOT NULL,
	time INTEGER NOT NULL,
	CONSTRAINT pk_namespaces PRIMARY KEY (name)
)
 WITHOUT ROWID,
 STRICT;
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
CREATE TABLE numbers (
	namespace TEXT NOT NULL,
	model TEXT NOT NULL,
	order_key BLOB NOT NULL,
	number TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	branch TEXT NOT NULL,
	is_release INTEGER NOT NULL,
	CONSTRAINT pk_numbers PRIMARY KEY (namespace, model, order_key)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_numbers_branch ON numbers (namespace, model, branch, is_release, order_key);
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
	disabled INTEGER,
	name_key TEXT,
	CONSTRAINT pk_principals PRIMARY KEY (id),
	CONSTRAINT uq_principals_name_key UNIQUE (name_key)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE protections (
	namespace TEXT NOT NULL,
	model TEXT NOT NULL,
	name TEXT NOT NULL,
	CONSTRAINT pk_protections PRIMARY KEY (namespace, model, name)
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
CREATE TABLE reports (
	name TEXT NOT NULL,
	ended INTEGER NOT NULL,
	failure TEXT NOT NULL,
	failures INTEGER NOT NULL,
	detail TEXT NOT NULL,
	CONSTRAINT pk_reports PRIMARY KEY (name)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE repository (
	identity TEXT NOT NULL,
	CONSTRAINT pk_repository PRIMARY KEY (identity)
)
 STRICT;
CREATE TABLE roles (
	principal TEXT NOT NULL,
	namespace TEXT NOT NULL,
	role TEXT NOT NULL,
	CONSTRAINT pk_roles PRIMARY KEY (principal, namespace, role)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_roles_namespace ON roles (namespace, principal);
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
CREATE TABLE taints (
	digest BLOB NOT NULL CONSTRAINT ck_taints_digest_size CHECK (length(digest) = 32),
	CONSTRAINT pk_taints PRIMARY KEY (digest)
)
 WITHOUT ROWID,
 STRICT;
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
CREATE TABLE token_hashes (
	id TEXT NOT NULL,
	hash BLOB NOT NULL,
	CONSTRAINT pk_token_hashes PRIMARY KEY (id)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE tokens (
	id TEXT NOT NULL,
	principal TEXT NOT NULL,
	namespaces TEXT,
	roles TEXT,
	issued INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	issuer TEXT,
	note BLOB CONSTRAINT ck_tokens_note_size CHECK (length(note) = 32),
	revoked INTEGER,
	CONSTRAINT pk_tokens PRIMARY KEY (id)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_tokens_principal ON tokens (principal, id);
CREATE TABLE uploads (
	id TEXT NOT NULL,
	owner TEXT NOT NULL,
	namespace TEXT NOT NULL,
	began INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	manifest BLOB CONSTRAINT ck_uploads_manifest_size CHECK (length(manifest) = 32),
	CONSTRAINT pk_uploads PRIMARY KEY (id)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_uploads_expires ON uploads (expires);
CREATE INDEX ix_uploads_owner ON uploads (owner);
CREATE TABLE versions (
	namespace TEXT NOT NULL,
	model TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	digest BLOB NOT NULL CONSTRAINT ck_versions_digest_size CHECK (length(digest) = 32),
	manifest BLOB NOT NULL CONSTRAINT ck_versions_manifest_size CHECK (length(manifest) = 32),
	branch TEXT NOT NULL,
	time INTEGER NOT NULL,
	actor TEXT NOT NULL,
	position INTEGER NOT NULL,
	release TEXT,
	prerelease TEXT,
	withdrawn INTEGER,
	reason BLOB CONSTRAINT ck_versions_reason_size CHECK (length(reason) = 32),
	CONSTRAINT pk_versions PRIMARY KEY (namespace, model, sequence)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_versions_branch ON versions (namespace, model, branch, sequence);
CREATE INDEX ix_versions_model_digest ON versions (namespace, model, digest);
CREATE UNIQUE INDEX ux_versions_digest ON versions (digest, namespace, model);
CREATE TABLE webhook_secrets (
	webhook TEXT NOT NULL,
	sealed BLOB NOT NULL,
	CONSTRAINT pk_webhook_secrets PRIMARY KEY (webhook)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE webhook_told (
	webhook TEXT NOT NULL,
	namespace TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	CONSTRAINT pk_webhook_told PRIMARY KEY (webhook, namespace)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE webhooks (
	id TEXT NOT NULL,
	namespace TEXT NOT NULL,
	url BLOB NOT NULL CONSTRAINT ck_webhooks_url_size CHECK (length(url) = 32),
	host TEXT NOT NULL,
	events TEXT NOT NULL,
	texts INTEGER NOT NULL,
	active INTEGER NOT NULL,
	creator TEXT NOT NULL,
	time INTEGER NOT NULL,
	CONSTRAINT pk_webhooks PRIMARY KEY (id)
)
 WITHOUT ROWID,
 STRICT;
