"""What the three services of the baseline have in common: addresses, broker, database sessions."""

import logging

import uvloop
from faststream import FastStream
from faststream.kafka import KafkaBroker
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from shared.contracts.envelope import Event


class Settings(BaseSettings):
    """Addresses, as the benchmark gives them."""

    model_config = SettingsConfigDict(env_prefix="BASELINE_", frozen=True)

    database_url: str = Field(description="postgresql+asyncpg://... of this service")
    kafka: str
    topic_prefix: str


settings = Settings()  # type: ignore[call-arg]
# Errors are told; a line per message would slow it down.
logging.basicConfig(level=logging.WARNING)
broker = KafkaBroker(settings.kafka, logger=logging.getLogger("baseline"))
engine = create_async_engine(settings.database_url, pool_size=10)
Session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """Tables of one service."""


def topic(event: type[Event]) -> str:
    """The topic of an event, under the prefix of this run."""
    return settings.topic_prefix + event.topic


async def publish(event: Event) -> None:
    """Send an event and wait until the broker has it."""
    await broker.publish(event, topic(type(event)), key=event.key().encode())


def run() -> None:
    """Create the tables and serve until asked to stop."""
    app = FastStream(broker, logger=logging.getLogger("baseline"))

    @app.on_startup
    async def create_tables() -> None:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)

    @app.after_startup
    async def say_ready() -> None:
        print("ready", flush=True)

    uvloop.run(app.run())


__all__ = ["AsyncSession", "Base", "Session", "broker", "publish", "run", "settings", "topic"]
