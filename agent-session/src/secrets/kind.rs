//! Kinds of secrets.

/// What a secret is, as far as its looks or its place say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A key of Anthropic's.
    AnthropicKey,
    /// A key of some other provider of an interface, which its prefix names.
    ApiKey,
    /// What follows `Authorization:` or `Bearer`.
    Authorization,
    /// The id of an access key of AWS.
    AwsAccessKey,
    /// The secret that belongs to one.
    AwsSecretKey,
    /// A variable of this process's environment whose name says that it is a secret.
    Credential,
    /// A token of GitHub's.
    GithubToken,
    /// A token of GitLab's.
    GitlabToken,
    /// A key or token of Google's.
    GoogleKey,
    /// A token of Hugging Face's.
    HuggingFaceToken,
    /// A JSON Web Token.
    Jwt,
    /// A token of npm's.
    NpmToken,
    /// A key of OpenAI's, or of one who writes them likewise.
    OpenaiKey,
    /// A value whose name says that it is a password.
    Password,
    /// A line of a private key.
    PrivateKey,
    /// A token of `PyPI`'s.
    PypiToken,
    /// A value whose name says that it is a key or a token.
    SecretValue,
    /// A token of Slack's.
    SlackToken,
    /// A key of Stripe's.
    StripeKey,
    /// A password in an address.
    UrlPassword,
}

impl Kind {
    /// Its name in placeholders, counts and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AnthropicKey => "anthropic-key",
            Self::ApiKey => "api-key",
            Self::Authorization => "authorization",
            Self::AwsAccessKey => "aws-access-key",
            Self::AwsSecretKey => "aws-secret-key",
            Self::Credential => "credential",
            Self::GithubToken => "github-token",
            Self::GitlabToken => "gitlab-token",
            Self::GoogleKey => "google-key",
            Self::HuggingFaceToken => "hugging-face-token",
            Self::Jwt => "jwt",
            Self::NpmToken => "npm-token",
            Self::OpenaiKey => "openai-key",
            Self::Password => "password",
            Self::PrivateKey => "private-key",
            Self::PypiToken => "pypi-token",
            Self::SecretValue => "secret-value",
            Self::SlackToken => "slack-token",
            Self::StripeKey => "stripe-key",
            Self::UrlPassword => "url-password",
        }
    }
}
