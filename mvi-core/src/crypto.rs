//! Crypto: an unguessable key; create, import, rotate, use, and audit who used it.
//!
//! ```text
//!   plaintext ──encrypt(key, aad)──▶ ┏━━━━━━━━┓ ──▶ ciphertext, safe in Kv and Blob
//!   ciphertext ─decrypt(key, aad)──▶ ┃ CRYPTO ┃ ──▶ plaintext, or nothing
//!   who used it? ───────audit──────▶ ┗━━━━━━━━┛     the key itself never leaves
//! ```
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands. What follows is its design.
//!
//! - **Why** secrets and data at rest are only as safe as their keys.
//! - **Depends on** nothing.
//! - **Knobs** rotation, state, grants. **Gauges** uses by principal, refusals.
//!
//! | operation | AWS: KMS | Google Cloud: cloudkms.v1 | limit | source |
//! |---|---|---|---|---|
//! | `create_key` | `CreateKey`, then `CreateAlias` | `keyRings.create` once, `cryptoKeys.create` | alias 256; id 63 | [alias], [create] |
//! | `import_key` | `CreateKey` without material, `CreateAlias` | `cryptoKeys.create` of an import-only key | | [create] |
//! | … wrapped for | `GetParametersForImport` | `importJobs.create` | id 63 | [param], [job] |
//! | … then | `ImportKeyMaterial` | `cryptoKeyVersions.import` | AWS: 6,144 B wrapped | [import], [gimport] |
//! | `get_key` | `DescribeKey`, by alias | `cryptoKeys.get`, `cryptoKeyVersions.list` | | [get], [gget] |
//! | `list_keys` | `ListAliases`, `ListResourceTags`, filtered here | `cryptoKeys.list` | AWS: pages of 1,000 | [list], [glist] |
//! | `rotate` to encrypt | `RotateKeyOnDemand` | `cryptoKeyVersions.create` | AWS: 25 a key | [rotate], [version] |
//! | … takes effect | | `cryptoKeys.updatePrimaryVersion` | Google: mostly 1 min, else hours | [primary], [late] |
//! | `rotate` to sign, MAC | `Unsupported`: KMS rotates symmetric keys only | `cryptoKeyVersions.create` | | [rotate], [version] |
//! | `set_rotation` | `EnableKeyRotation`, `DisableKeyRotation` | `cryptoKeys.patch` | 90 to 2,560 d; from 24 h | [auto], [key] |
//! | … to sign, MAC | `Unsupported`, as above | `Unsupported`: only `ENCRYPT_DECRYPT` has a period | | [auto], [key] |
//! | `enable`, `disable` | `EnableKey`, `DisableKey` | `cryptoKeyVersions.patch` of each | the same | [disable], [state], [late] |
//! | `schedule_deletion` | `ScheduleKeyDeletion` | `cryptoKeyVersions.destroy` of each | AWS: 7 to 30 d | [end], [destroy] |
//! | … in how long | as asked | `Unsupported` but for the key's own: fixed when created | Google's default 30 d | [key] |
//! | `cancel_deletion` | `CancelKeyDeletion` | `cryptoKeyVersions.restore` of each | then disabled, on both | [cancel], [restore] |
//! | `encrypt` | `Encrypt` | `cryptoKeys.encrypt` | 4,096 B; 64 KiB, in an HSM 8 KiB with its AAD | [enc], [genc] |
//! | `decrypt` | `Decrypt` | `cryptoKeys.decrypt` | AWS: 6,144 B | [dec], [gdec] |
//! | `reencrypt` | `ReEncrypt` | `cryptoKeys.decrypt`, `cryptoKeys.encrypt` | Google: passes through our memory | [re] |
//! | `generate_data_key` | `GenerateDataKey` | `locations.generateRandomBytes` | 1 to 1,024 B; 8 to 1,024 B | [data], [random] |
//! | … sealed | by the same | `cryptoKeys.encrypt` | | [genc] |
//! | `sign` | `Sign` | `cryptoKeyVersions.asymmetricSign` | AWS: 4,096 B, else a digest | [sign], [gsign] |
//! | `verify` | `Verify` | here, by the public key | | [verify] |
//! | … of a MAC | `GenerateMac`, `VerifyMac` | `cryptoKeyVersions.macSign`, `cryptoKeyVersions.macVerify` | AWS: 4,096 B | [mac], [gmac] |
//! | `public_key` | `GetPublicKey` | `cryptoKeyVersions.getPublicKey` | | [public], [gpublic] |
//! | `grant` | `CreateGrant` | `cryptoKeys.getIamPolicy`, `cryptoKeys.setIamPolicy` | name 256 | [grant], [policy] |
//! | `revoke` | `ListGrants`, `RevokeGrant` | the same, with the etag it read | AWS: up to five minutes | [revoke], [policy] |
//! | `grants` | `ListGrants` | `cryptoKeys.getIamPolicy` | | [grants] |
//! | `audit` | `CloudTrail`'s `LookupEvents` | logging.v2 `entries.list` | AWS: 90 d, two calls/s, pages of 50 | [trail], [logs] |
//! | … is it on | always | cloudresourcemanager.v3 `projects.getIamPolicy` | else an error that says how | [config] |
//!
//! **Unique by** the alias on AWS, which stays taken until the key is gone; `CreateKey` has no token: tag `mvi-born`, the SDK's own retry
//! off. By its name on Google, for ever: `retiredResources.list` names what was deleted. A grant by its name on AWS, a binding on Google.
//! `rotate` by nothing, on both: neither takes a token, so a repeated one makes one more version; the SDK's own retry off.
//!
//! Doubtful:
//!
//! - Whether `LookupEvents` has each `Encrypt` and `Decrypt`, the refused too, how late, by which resource name: use a key, poll.
//! - Whether `cryptoKeys.list` filters by labels on the server: list with a filter and read the wire; else here.
//! - How late a disabled key refuses on AWS: `disable`, then encrypt every 100 ms.
//! - How Google answers a wrong AAD, a flipped bit, another key's ciphertext: all may be `INVALID_ARGUMENT`; take each down.
//! - Whether `CreateAlias` refuses a second at once, from another connection: race a hundred.
//! - Whether key material that is wrong at the first import is refused, or only at the next: import two kinds, on both.
//!
//! [alias]: https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html
//! [create]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/create
//! [param]: https://docs.aws.amazon.com/kms/latest/APIReference/API_GetParametersForImport.html
//! [job]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.importJobs
//! [import]: https://docs.aws.amazon.com/kms/latest/APIReference/API_ImportKeyMaterial.html
//! [gimport]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys.cryptoKeyVersions/import
//! [get]: https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html
//! [gget]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/get
//! [list]: https://docs.aws.amazon.com/kms/latest/APIReference/API_ListAliases.html
//! [glist]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/list
//! [rotate]: https://docs.aws.amazon.com/kms/latest/APIReference/API_RotateKeyOnDemand.html
//! [version]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys.cryptoKeyVersions/create
//! [primary]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/updatePrimaryVersion
//! [late]: https://cloud.google.com/kms/docs/consistency
//! [auto]: https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html
//! [key]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys
//! [disable]: https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKey.html
//! [state]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys.cryptoKeyVersions/patch
//! [end]: https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
//! [destroy]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys.cryptoKeyVersions/destroy
//! [cancel]: https://docs.aws.amazon.com/kms/latest/APIReference/API_CancelKeyDeletion.html
//! [restore]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys.cryptoKeyVersions/restore
//! [enc]: https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html
//! [genc]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/encrypt
//! [dec]: https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
//! [gdec]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/decrypt
//! [re]: https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html
//! [data]: https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html
//! [random]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations/generateRandomBytes
//! [sign]: https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html
//! [gsign]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys.cryptoKeyVersions/asymmetricSign
//! [verify]: https://docs.aws.amazon.com/kms/latest/APIReference/API_Verify.html
//! [mac]: https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateMac.html
//! [gmac]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys.cryptoKeyVersions/macSign
//! [public]: https://docs.aws.amazon.com/kms/latest/APIReference/API_GetPublicKey.html
//! [gpublic]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys.cryptoKeyVersions/getPublicKey
//! [grant]: https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html
//! [policy]: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/setIamPolicy
//! [revoke]: https://docs.aws.amazon.com/kms/latest/APIReference/API_RevokeGrant.html
//! [grants]: https://docs.aws.amazon.com/kms/latest/APIReference/API_ListGrants.html
//! [trail]: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
//! [logs]: https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list
//! [config]: https://cloud.google.com/logging/docs/audit/configure-data-access

use std::fmt;

use crate::hook::ops;

/// An unguessable key; create, import, rotate, use, and audit who used it. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Crypto: fmt::Debug + Send + Sync + 'static {}

ops! {
    Crypto as "crypto";
    calls {}
    streams {}
}
