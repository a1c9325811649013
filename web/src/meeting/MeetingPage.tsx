import { useStore } from '@nanostores/react';
import { useModel, useServices } from '../app/services';
import { Loading } from '../ui/Loading';
import { Summary } from './after/Summary';
import { Lobby } from './before/Lobby';
import { Denied, Nowhere, WaitingRoom } from './before/WaitingRoom';
import { CallView } from './inside/CallView';
import { Visit } from './visit';

/** A meeting by its code: before, at the door, inside, after. Guests come in. */
export default function MeetingPage({ code }: { code: string }) {
  const { session } = useServices();
  // Whether one is a guest must be known first.
  if (useStore(session.state).status === 'loading') return <Loading />;
  return <Visitor code={code} />;
}

function Visitor({ code }: { code: string }) {
  const visit = useModel((services) => new Visit(services, code));
  const phase = useStore(visit.$phase);
  switch (phase.at) {
    case 'lobby':
      return <Lobby visit={visit} />;
    case 'waiting':
      return <WaitingRoom visit={visit} />;
    case 'denied':
      return <Denied visit={visit} />;
    case 'inside':
      return <CallView call={phase.call} />;
    case 'after':
      return <Summary visit={visit} farewell={phase.farewell} />;
    case 'nowhere':
      return <Nowhere problem={phase.problem} />;
  }
}
