"""Names and e-mail addresses, all made up: no data set has them. The domain is reserved for examples (RFC 2606)."""

import hashlib
import unicodedata

_GIVEN = (
    "Ada", "Amir", "Ana", "Anton", "Beatriz", "Bruno", "Carla", "Clara", "Daniel", "David", "Elena", "Emil", "Emma",
    "Felix", "Fátima", "Gabriel", "Grace", "Hanna", "Hugo", "Ines", "Ivan", "João", "Jonas", "Julia", "Karim", "Lara",
    "Leo", "Lucía", "Luis", "Maja", "Marco", "Maria", "Mira", "Nils", "Nora", "Olga", "Oscar", "Paula", "Pedro",
    "Rafael", "Rosa", "Samuel", "Sofia", "Tomás", "Vera", "Yara", "Yusuf", "Zoë",
)  # fmt: skip
_FAMILY = (
    "Almeida", "Andersen", "Bauer", "Becker", "Blanc", "Brown", "Carvalho", "Costa", "Dubois", "Evans", "Fischer",
    "Garcia", "Hansen", "Hughes", "Jansen", "Jones", "Keller", "Kovács", "Laurent", "Lima", "Lopez", "Martin", "Meyer",
    "Moreira", "Müller", "Nowak", "Oliveira", "Pereira", "Petit", "Ribeiro", "Rossi", "Roux", "Santos", "Schmidt",
    "Silva", "Smith", "Souza", "Taylor", "Visser", "Wagner", "Walker", "Weber", "Williams", "Wilson", "Wood",
)  # fmt: skip

_LOCALES = {
    "BR": "pt_BR", "PT": "pt", "DE": "de", "AT": "de", "CH": "de", "FR": "fr", "BE": "fr", "ES": "es", "IT": "it",
    "NL": "nl", "PL": "pl", "GB": "en_GB", "US": "en_US",
}  # fmt: skip


def contact(customer: str, country: str) -> dict[str, str]:
    """A made-up person, always the same one for a customer's key, who reads the language of the country."""
    digest = hashlib.blake2b(customer.encode(), digest_size=8).digest()
    given = _GIVEN[digest[0] % len(_GIVEN)]
    family = _FAMILY[digest[1] % len(_FAMILY)]
    plain = unicodedata.normalize("NFKD", f"{given}.{family}").encode("ascii", "ignore").decode().lower()
    return {
        "name": f"{given} {family}",
        "email": f"{plain}.{digest[2:].hex()}@example.com",
        "locale": _LOCALES.get(country, "en"),
    }
