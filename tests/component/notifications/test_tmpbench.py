import time, asyncio, sys, subprocess, cProfile, pstats
from tests.component.notifications.events import Order
from tests.component.notifications.test_sending import all_are
from tests.component.notifications.test_tmpbench2 import msg
from services.notifications.handlers import order_placed, order_confirmed
from services.notifications.jobs import send_due
async def test_b(notifying, mailbox):
    async with notifying(roles=("api",), ) as s:
        orders=[Order() for _ in range(1000)]
        for h,name in ((order_placed,"placed"),(order_confirmed,"confirmed")):
            async with s.service.transaction() as tx:
                await h([msg(getattr(o,name)()) for o in orders],tx)
        sink=subprocess.Popen([sys.executable,"-c","import sys,time\nfrom pathlib import Path\nfrom deploy.demo.mailbox import Mailbox\nm=Mailbox(Path('/tmp/mbx')).start()\nprint(m.port,flush=True)\nsys.stdin.read()\nprint(time.process_time(),len(m.messages()),flush=True)\nm.stop()"],stdout=subprocess.PIPE,stdin=subprocess.PIPE,text=True)
        port=int(sink.stdout.readline())
        async with notifying(database_url=s.database_url, roles=("api",), smtp_port=port) as j:
            t=time.perf_counter(); p0=time.process_time()
            pr=cProfile.Profile()
            if PROF: pr.enable()
            n=0
            while True:
                d=await send_due(j.service)
                if not d: break
                n+=d
            if PROF: pr.disable()
            print("sent",n,"in",round(time.perf_counter()-t,1),"s cpu",round(time.process_time()-p0,1))
            print(await j.rows("select count(*) from outbox"))
            if PROF: pstats.Stats(pr).sort_stats("cumtime").print_stats(45)
        sink.stdin.close(); print("sink", sink.stdout.readline()); sink.wait()
    assert 0
import os
PROF=bool(os.environ.get("PROF"))
