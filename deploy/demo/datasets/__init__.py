"""Sources of orders: a generator, and two public data sets that are recognised by their files."""

from pathlib import Path

from deploy.demo.datasets.generated import Generated
from deploy.demo.datasets.model import Dataset, DatasetError
from deploy.demo.datasets.olist import Olist
from deploy.demo.datasets.online_retail import OnlineRetail

_KNOWN = (Olist, OnlineRetail)


def open_dataset(folder: Path | None, *, orders: int | None, seed: int) -> Dataset:
    """The data set in a folder, or the generator without one; at most `orders` orders.

    Raises DatasetError, which says what is expected, for a folder that is neither.
    """
    if folder is None:
        return Generated(orders or 2_000, seed)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder")
    for kind in _KNOWN:
        if kind.recognises(folder):
            return kind(folder, orders)
    raise DatasetError(
        f"{folder} holds no known data set: olist is orders, order_items, order_payments, customers, products and "
        "sellers, online-retail is online-retail, each as .csv or .csv.gz"
    )


__all__ = ["Dataset", "DatasetError", "Generated", "Olist", "OnlineRetail", "open_dataset"]
