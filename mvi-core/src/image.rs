//! Image: push, store and pull private binary data, layer by layer.
//!
//! ```text
//!   build ──push: layers, manifest, tag──▶ ┏━━━━━━━┓ ──pull, each digest checked──▶ containers
//!                                          ┃ IMAGE ┃
//!   FROM httpd, COPY public-html           ┗━━━━━━━┛ a tag moves, a digest never changes
//! ```
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands. What follows is its design.
//!
//! - **Why** a release is an image that never changes.
//! - **Depends on** nothing.
//! - **Knobs** retention. **Gauges** pushes, pulls, stored bytes.
//!
//! | operation | AWS: ECR | Google Cloud: artifactregistry.v1 | limit | source |
//! |---|---|---|---|---|
//! | `create_repository` | `CreateRepository` | `repositories.create`, format `DOCKER` | AWS: name 2 to 256 | [create], [gcreate] |
//! | `get_repository` | `DescribeRepositories` | `repositories.get` | | [describe], [gget] |
//! | `list_repositories` | `DescribeRepositories` | `repositories.list`, labels filtered here | pages of 1,000 | [describe], [glist] |
//! | … their labels | `ListTagsForResource` of each, filtered here | come along | Google: 64 | [labels] |
//! | `delete_repository` | `DeleteRepository`, by force | `repositories.delete` | what is in it goes along | [drop], [gdrop] |
//! | `credentials` | `GetAuthorizationToken` | no call: the credentials' access token | AWS: 12 h | [token], [gtoken] |
//! | `tags` | `ListImages` | `tags.list` | pages of 1,000 | [images], [tags] |
//! | `manifest` | OCI: get manifest | OCI: get manifest | | [pull] |
//! | `push_manifest` | OCI: put manifest | OCI: put manifest | AWS: 4 MiB | [put], [push] |
//! | `push_layer` | OCI: start, patch, put blob | OCI: start, patch, put blob | AWS: parts of 20 MiB | [part], [push] |
//! | … there already | OCI: head blob | OCI: head blob | | [push] |
//! | `pull_layer` | OCI: get blob, by range after a cut | OCI: get blob, by range after a cut | | [pull] |
//! | `delete` a tag | `BatchDeleteImage`, by tag; a last one: `Unsupported` | `tags.delete` | AWS: 100 a call | [delete], [untag] |
//! | `delete` a digest | `BatchDeleteImage`, by digest | `versions.delete`, by force | AWS: 100 a call | [delete], [gdelete] |
//!
//! A last tag takes its image along on AWS, and leaves it on Google: to `delete` it is `Unsupported` on AWS, as a tag is not its image.
//! A repository on AWS is one image's; on Google it holds packages: ours has one, of the same name, which its references end in.
//! `BatchDeleteImage` reports what it did not delete inside a 200, as `failures`.
//!
//! **Unique by** their names: repositories. Layers and manifests by their digests, a tag by its text: pushing twice is once.
//! No call takes a token or a request id.
//!
//! Doubtful:
//!
//! - Whether `BatchDeleteImage` of a tag can race with a push that moves it, and take an image along: tag, move and delete in a loop.
//! - Whether an upload on AWS tells its offset after a cut, so that it resumes and not starts again: cut a patch, ask, go on.
//! - Whether a mount from another repository works: ECR has a setting for it (`PutAccountSetting`, `BLOB_MOUNTING`), Google says nothing.
//!   Mount a layer on both, and count the bytes sent.
//! - Whether a manifest with a missing layer is refused, on both: push one.
//! - Whether `artifactregistry.v1` knows labels in a filter: its `repositories.list` names only `name`. List with one, read the answer.
//! - How soon a fresh repository takes a push, and a pushed tag is listed: push at once, list at once.
//! - What a Google repository's id may be, which its document does not say: create with 63 characters, a digit first, an underscore.
//!
//! [create]: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
//! [gcreate]: https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories/create
//! [describe]: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeRepositories.html
//! [gget]: https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories/get
//! [glist]: https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories/list
//! [labels]: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ListTagsForResource.html
//! [drop]: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DeleteRepository.html
//! [gdrop]: https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories/delete
//! [token]: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
//! [gtoken]: https://cloud.google.com/artifact-registry/docs/docker/authentication
//! [images]: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ListImages.html
//! [tags]: https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories.packages.tags/list
//! [put]: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html
//! [part]: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_UploadLayerPart.html
//! [push]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#push
//! [pull]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pull
//! [delete]: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html
//! [untag]: https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories.packages.tags/delete
//! [gdelete]: https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories.packages.versions/delete

use std::fmt;

use crate::hook::ops;

/// Push, store and pull private binary data, layer by layer. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Image: fmt::Debug + Send + Sync + 'static {}

ops! {
    Image as "image";
    calls {}
    streams {}
}
