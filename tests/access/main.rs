//! The Access emulator's promises, against programs that are not ours and Cloudflare's own schema.
