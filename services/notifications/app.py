"""Puts the service together; the only file that knows all the others."""

from zoneinfo import ZoneInfo

from services.notifications.adapters.mail import SmtpMailer
from services.notifications.adapters.templates import Templates
from services.notifications.api import create_router
from services.notifications.handlers import ROUTES
from services.notifications.jobs import JOBS
from services.notifications.ports import Ports
from services.notifications.settings import Settings
from services.notifications.store import Store, tables
from shared.runtime.service import Service


def build(settings: Settings) -> Service[Store, Settings]:
    """The service, not started yet."""
    renderer = Templates(
        shop=settings.shop_name,
        support=settings.support_address,
        zone=ZoneInfo(settings.time_zone),
        fallback=settings.fallback_language,
    )
    mailer = SmtpMailer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        certificates=settings.smtp_certificates,
        user=settings.smtp_user,
        password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
        timeout=settings.smtp_timeout_seconds,
        sender=settings.sender,
        sender_name=settings.shop_name,
        reply_to=settings.support_address,
    )
    return Service(
        name="notifications",
        settings=settings,
        metadata=tables.metadata,
        store=Store,
        routes=ROUTES,
        jobs=JOBS,
        api=create_router,
        ports=Ports(renderer, mailer),
    )
