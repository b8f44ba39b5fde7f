"""The load generator: a process of its own that submits orders, plays the payment service and takes the times.

It is the same for every system measured. An order's clock starts when it is due (open loop) or handed to the client
(closed loop), and stops when a query of the orders database shows that its shipment.created has been recorded, which
is asked only for orders whose shipment.created was seen on its topic, by primary key. What the generator costs, its
database sessions included, is counted as the client's.
"""
