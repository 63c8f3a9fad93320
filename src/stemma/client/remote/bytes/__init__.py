"""The bytes of versions over HTTP: packs that are sent, content that is fetched."""
